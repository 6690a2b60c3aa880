"""What happens: generators that ask for operations and decide by their answers."""
