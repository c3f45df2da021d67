"""Image providers behind one interface: a package for each paid provider, a module for the embedded one."""
