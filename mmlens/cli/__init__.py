"""The command line: one module a command, nothing heavier than argparse until a command really works."""
