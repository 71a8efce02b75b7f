"""What several tasks share: their tables, labels, designs, distances and result rows."""
