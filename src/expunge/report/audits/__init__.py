"""What a report shows of an audit: the first page, the cells, their distributions and curves, and a glossary."""
