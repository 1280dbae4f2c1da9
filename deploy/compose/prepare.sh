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

quiet() { # openssl tells its progress where it tells its errors: shown only if it fails
    if ! said=$("$@" 2>&1); then
        echo "$said" >&2
        exit 1
    fi
}

curve="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

make_authority() {
    subject="/CN=$(echo "Gnomon of $(hostname)" | cut -c 1-64)" # a common name has room for no more
    # shellcheck disable=SC2086  # words
    quiet openssl req -x509 $curve -days 3650 -subj "$subject" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout ca-key.pem -out ca.part
    chmod 600 ca-key.pem
    mv ca.part ca.pem
    echo "made ca.pem, which clients trust: GNOMON_CA_FILE=$PWD/ca.pem"
}

make_certificate() {
    # shellcheck disable=SC2086
    quiet openssl req $curve -subj "/CN=gnomon" -keyout certificate-key.pem -out certificate.csr
    printf '%s\n' "subjectAltName=DNS:registry,DNS:trainer,DNS:scorer,DNS:localhost,IP:127.0.0.1" \
        "extendedKeyUsage=serverAuth,clientAuth" >certificate.ext
    quiet openssl x509 -req -in certificate.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 \
        -extfile certificate.ext -out certificate.part
    rm certificate.csr certificate.ext
    chmod 644 certificate-key.pem
    mv certificate.part certificate.pem
    echo "made certificate.pem, for a year; to renew it, remove it and run this again"
}

# An authority that is there stays: every client trusts it, and would have to be told of another.
if [ ! -s certificate.pem ]; then
    if [ ! -s ca.pem ]; then make_authority; fi
    if [ ! -s ca-key.pem ]; then
        echo "ca-key.pem is not in $PWD, and ca.pem signs nothing without it. Put it back; or remove ca.pem too," \
            "and give every client the new one." >&2
        exit 1
    fi
    make_certificate
fi
