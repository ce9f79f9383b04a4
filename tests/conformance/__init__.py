"""What every store must do, run over both: the contract of `cmdb.store.base.GraphStore`."""
