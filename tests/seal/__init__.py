"""The seal: keys, ids, sealed objects and nonces."""
