from memory.conformance import StoreContract
from memory.in_memory import InMemoryStore
from memory.store import ExperienceStore


class TestInMemoryStore(StoreContract):
    def open_store(self) -> ExperienceStore:
        return InMemoryStore()
