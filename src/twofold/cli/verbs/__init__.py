"""The verbs as they are spoken: one module each, whose ``command`` turns words into Options.

A module is imported only when its verb is used, and it imports its command only when that runs.
"""
