"""The wire formats of providers, one file each. `presets.PRESETS` says which provider uses which."""
