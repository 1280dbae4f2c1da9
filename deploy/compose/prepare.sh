#!/bin/sh
# Makes what deploy/compose.yaml needs and nobody else may know: keys, passwords, certificates. Overwrites nothing.
#
# The folder is for its owner alone. The files in it are for everybody, as each is mounted by itself into containers
# whose users have other numbers.
set -eu
umask 022

folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

once() { # once FILE COMMAND…: what the command prints goes into the file, whole or not at all
    file=$1
    shift
    if [ -s "$file" ]; then return; fi
    "$@" >"$file.part"
    mv "$file.part" "$file"
    echo "made $file"
}

gnomon_key() {
    if command -v gnomon >/dev/null; then gnomon keys generate; else
        docker run --rm --entrypoint gnomon "gnomon-registry:${GNOMON_VERSION:-0.1.0}" keys generate
    fi
}

once master-key openssl rand -base64 32
once database-password openssl rand -hex 24
once grafana-password openssl rand -hex 16
once admin-key gnomon_key
once trainer-key gnomon_key
once scorer-key gnomon_key

if [ ! -s certificate.pem ]; then
    quiet() { "$@" 2>/dev/null; }
    curve="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    # shellcheck disable=SC2086  # words
    quiet openssl req -x509 $curve -days 3650 -subj "/CN=Gnomon of $(hostname)" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca-key.pem -out ca.pem
    chmod 600 ca-key.pem
    # shellcheck disable=SC2086
    quiet openssl req $curve -subj "/CN=gnomon" -keyout certificate-key.pem -out certificate.csr
    printf '%s\n' "subjectAltName=DNS:registry,DNS:trainer,DNS:scorer,DNS:localhost,IP:127.0.0.1" \
        "extendedKeyUsage=serverAuth,clientAuth" >certificate.ext
    quiet openssl x509 -req -in certificate.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 \
        -extfile certificate.ext -out certificate.part
    mv certificate.part certificate.pem
    rm certificate.csr certificate.ext
    chmod 644 certificate-key.pem
    echo "made certificate.pem, for a year, and ca.pem, which clients trust: GNOMON_CA_FILE=$PWD/ca.pem"
fi
