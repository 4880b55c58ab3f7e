;; A valid module, but none for this host.
(module
  (import "env" "memory" (memory 1))
  (func (export "main")))
