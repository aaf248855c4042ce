package main

const memfdNumber = 319
