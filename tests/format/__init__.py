"""The format's codecs, and the documents held against them."""
