"""The wire formats of providers, one file each."""
