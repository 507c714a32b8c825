"""SendPost's dialect: its send API, both contracts, and its names in DNS and mail."""
