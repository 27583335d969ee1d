package cloudwatch

// either reads conditions that are joined by ||, which binds less than &&.
func (s *scanner) either(one func() (condition, error)) (condition, error) {
	left, err := s.both(one)
	for err == nil {
		s.space()
		if !s.take("||") {
			return left, nil
		}
		var right condition
		if right, err = s.both(one); err == nil {
			before := left
			left = func(get values) bool { return before(get) || right(get) }
		}
	}
	return nil, err
}

// both reads conditions that are joined by &&.
func (s *scanner) both(one func() (condition, error)) (condition, error) {
	left, err := s.grouped(one)
	for err == nil {
		s.space()
		if !s.take("&&") {
			return left, nil
		}
		var right condition
		if right, err = s.grouped(one); err == nil {
			before := left
			left = func(get values) bool { return before(get) && right(get) }
		}
	}
	return nil, err
}

// grouped reads one condition, or several in parentheses. How deep they nest is
// bounded by the length of a pattern.
func (s *scanner) grouped(one func() (condition, error)) (condition, error) {
	s.space()
	if start := s.at; s.take("(") {
		c, err := s.either(one)
		if err != nil {
			return nil, err
		}
		if s.space(); !s.take(")") {
			return nil, s.errorAt(start, "the parenthesis is never closed")
		}
		return c, nil
	}
	return one()
}
