"""Device profiles: what stands where in a device, as data, and how it maps onto the words of hubwatch."""
