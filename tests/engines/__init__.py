"""The kit on other engines: a PostgreSQL server and Spark, both real and both started here."""
