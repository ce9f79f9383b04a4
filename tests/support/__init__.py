"""What tests share: servers to test against, builders, oracles. No tests of its own."""
