"""Use cases: transactions, authorisation, order of steps."""
