"""The wire formats of providers, one file each. `presets.PRESETS` says who uses which."""
