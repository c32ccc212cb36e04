"""The commands of `sensorium`, one module each; `service.cli` registers them."""
