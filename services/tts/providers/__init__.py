"""The engines that speak, one file or package each, behind one interface."""
