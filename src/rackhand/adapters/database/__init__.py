"""The store in a database: SQLite now, in SQL that MariaDB and PostgreSQL take too."""
