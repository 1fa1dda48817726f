"""The builtin model: a chat model without a language model, which reads an operator's graph and writes a kernel."""
