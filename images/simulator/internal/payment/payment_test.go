package payment

import (
	"regexp"
	"testing"

	"firedrill.dev/simulator/internal/seeded"
)

func luhnValid(number string) bool {
	sum := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return sum%10 == 0
}

func TestPaymentsAreRepeatableAndSound(t *testing.T) {
	identifier := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for ordinal := range uint64(2000) {
		key := seeded.NewKey(42, "load").Child(ordinal)
		drawn := New(key)
		if *drawn != *New(key) {
			t.Fatalf("payment %d was drawn differently the second time", ordinal)
		}
		if seen[drawn.ID] || !identifier.MatchString(drawn.ID) {
			t.Fatalf("payment %d has the id %s", ordinal, drawn.ID)
		}
		seen[drawn.ID] = true
		if err := drawn.Check(); err != nil {
			t.Errorf("payment %d: %v", ordinal, err)
		}
		for _, account := range []int64{drawn.AccountFrom, drawn.AccountTo} {
			if account < 1 || account > Accounts {
				t.Errorf("payment %d uses account %d", ordinal, account)
			}
		}
		if len(drawn.Card) != 16 || !luhnValid(drawn.Card) || drawn.Card[:6] != issuer {
			t.Errorf("payment %d has the card %s", ordinal, drawn.Card)
		}
	}
}

func TestMaskedCard(t *testing.T) {
	for card, masked := range map[string]string{"4111111111111111": "411111******1111", "": "****", "41111111": "****"} {
		if got := (&Payment{Card: card}).MaskedCard(); got != masked {
			t.Errorf("%q is shown as %q, want %q", card, got, masked)
		}
	}
}
