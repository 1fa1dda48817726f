"""What was learned: experiences and their retrieval. Knows records, nothing about sandboxes or LangGraph."""
