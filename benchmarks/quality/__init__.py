"""The quality of the product's recipes beside cheap methods and peers, on public data."""
