"""The user interfaces: command line, accessor and magics, thin shells over `rmg_dsl.api`."""
