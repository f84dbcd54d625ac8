"""Styles as things of their own: saved, shown side by side, and passed through from one to another."""
