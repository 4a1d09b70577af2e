"""Tools for Kendryte K210 boards."""
