"""Results for people and for other programs: table, JSON, JUnit XML, HTML."""
