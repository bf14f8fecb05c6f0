"""The verbs: one file each, ``XOptions`` + ``run(options, emit) -> XResult``.

A command knows neither words nor colours: it is handed plain data, tells what happens as events and
returns a frozen result, so that the command line, the web pages and plans ask for the same thing.
"""
