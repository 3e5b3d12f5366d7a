"""The commands of the command line, one module each; `cli` imports a module when it is called."""
