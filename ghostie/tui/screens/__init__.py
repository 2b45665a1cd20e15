"""The screens, by topic."""
