"""Sealing and keys. `sodium` is the only importer of nacl."""
