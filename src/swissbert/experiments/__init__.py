"""The paper's tables: what each row trains, the runner that makes it, and the outcome beside the paper's figures."""
