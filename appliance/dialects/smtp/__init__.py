"""The house's own dialect: SMTP user names and passwords that the operator made."""
