"""`python -m mirror`."""

from mirror.main import main

main()
