"""The virtual board: a register-level Kendryte K210."""
