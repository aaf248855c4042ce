// Package payment holds the payments that flow through a simulated bank.
package payment

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"firedrill.dev/simulator/internal/seeded"
)

// Accounts is how many accounts there are; their ids run from 1.
const Accounts = 1000

// Payment moves money from one account to another.
type Payment struct {
	// ID identifies the payment for ever: booking it twice books it once.
	ID          string `json:"id"`
	AccountFrom int64  `json:"account_from"`
	AccountTo   int64  `json:"account_to"`
	AmountCents int64  `json:"amount_cents"`
	// Card is a synthetic card number; it is shown masked only.
	Card     string `json:"card"`
	Currency string `json:"currency"`
}

// Check tells what is wrong with a payment that came from outside.
func (p *Payment) Check() error {
	switch {
	case p.ID == "":
		return errors.New("id is required")
	case p.AmountCents <= 0:
		return fmt.Errorf("amount_cents %d is not above 0", p.AmountCents)
	case p.AccountFrom == p.AccountTo:
		return errors.New("account_from and account_to are the same")
	}
	return nil
}

// MaskedCard is the card number as it may be logged: the first six and the last four digits.
func (p *Payment) MaskedCard() string {
	if len(p.Card) < 13 {
		return "****"
	}
	masked := []byte(p.Card)
	for i := 6; i < len(masked)-4; i++ {
		masked[i] = '*'
	}
	return string(masked)
}

// issuer is the prefix of the cards: a range that card networks keep for tests.
const issuer = "411111"

// largest is the highest amount in cents.
const largest = 50_000

// New draws a payment; the same key gives the same one, id included.
func New(key seeded.Key) *Payment {
	random := key.Rand()
	from := random.Int64N(Accounts)
	to := (from + 1 + random.Int64N(Accounts-1)) % Accounts
	return &Payment{
		ID:          identifier(random),
		AccountFrom: from + 1,
		AccountTo:   to + 1,
		AmountCents: 1 + random.Int64N(largest),
		Card:        card(random),
		Currency:    "EUR",
	}
}

// identifier is a UUID of version 8: its bits are the application's own.
func identifier(random *rand.Rand) string {
	high, low := random.Uint64(), random.Uint64()
	return fmt.Sprintf("%08x-%04x-8%03x-%04x-%012x", high>>32, high>>16&0xffff, high&0xfff, low>>48&0x3fff|0x8000, low&0xffffffffffff)
}

func card(random *rand.Rand) string {
	digits := fmt.Sprintf("%s%09d", issuer, random.IntN(1_000_000_000))
	return digits + string(rune('0'+checkDigit(digits)))
}

// checkDigit is what makes digits valid by Luhn's formula when appended.
func checkDigit(digits string) int {
	sum := 0
	for i := range len(digits) {
		digit := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			digit *= 2
			if digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return (10 - sum%10) % 10
}
