package main

const memfdNumber = 279
