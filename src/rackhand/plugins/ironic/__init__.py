"""What runs inside Ironic: hardware types, the deploy interface, SQLite's transactions."""
