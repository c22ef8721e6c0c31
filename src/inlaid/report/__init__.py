"""Pages and plots, made from stored lines; nothing is measured here."""
