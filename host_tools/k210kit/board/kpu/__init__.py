"""The KPU's arithmetic: what a layer does to bytes, whoever asks: the virtual board or the host tools."""
