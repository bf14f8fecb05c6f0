"""What ``start.py`` does, in pieces; standard library only, nothing here belongs to the product."""
