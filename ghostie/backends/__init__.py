"""Object stores: they see ciphertext and opaque keys, never a memory and never a key."""
