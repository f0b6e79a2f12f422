"""One module a command; each has a ``main(argv)``."""
