"""`python -m hubwatch_ops` is `hubwatch`."""

from hubwatch_ops.cli import main

main()
