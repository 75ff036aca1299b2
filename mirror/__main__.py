"""`python -m mirror`."""

from mirror.start import main

main()
