package awsapi

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// queryProtocol is AWS's oldest: forms, answered with XML. CloudWatch's former
// clients speak it, STS's, and EC2's, which number lists in another way and write the
// answers themselves.
type queryProtocol struct{}

const cloudWatchVersion, ec2Version, stsVersion = "2010-08-01", "2016-11-15", "2011-06-15"

// readForm learns from the form what is asked.
func (c *call) readForm() *Error {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return refuse("MalformedQueryString", "%v", err)
	}
	if len(form) > longestForm {
		return refuse("MalformedQueryString", "a form has at most %d parameters", longestForm)
	}
	c.form, c.operation = form, form.Get("Action")
	switch version := form.Get("Version"); version {
	case cloudWatchVersion:
		c.service = serviceCloudWatch
	case ec2Version:
		c.service = serviceEC2
	case stsVersion:
		c.service = serviceSTS
	default:
		return refuse("NoSuchVersion", "The requested version (%s) of the service is not one that vpcsim emulates: CloudWatch has %s, EC2 %s, STS %s", version, cloudWatchVersion, ec2Version, stsVersion)
	}
	return nil
}

func (queryProtocol) decode(c *call, into any) error {
	return c.fill(reflect.ValueOf(into).Elem(), "")
}

// Bounds on what a form can make us do: every parameter is compared with every member
// that it could belong to.
const (
	longestForm = 10_000 // parameters
	longestList = 1000   // elements
)

// fill sets what the form has under a name: "Dimensions.member.1.Name".
func (c *call) fill(v reflect.Value, name string) error {
	text := c.form.Get(name)
	if v.Type() == reflect.TypeFor[instant]() {
		if text == "" {
			return nil
		}
		return v.Addr().Interface().(*instant).parse(text)
	}
	var err error
	switch v.Kind() {
	case reflect.Struct:
		return c.fillFields(v, name)
	case reflect.Slice:
		return c.fillList(v, name)
	case reflect.Pointer:
		if !c.has(name) {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return c.fill(v.Elem(), name)
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		var n int64
		if n, err = strconv.ParseInt(text, 10, 64); text != "" {
			v.SetInt(n)
		}
	case reflect.Float64:
		var n float64
		if n, err = strconv.ParseFloat(text, 64); text != "" {
			v.SetFloat(n)
		}
	}
	if err != nil && text != "" {
		return fmt.Errorf("%s: %q is no number", name, text)
	}
	return nil
}

// fillFields finds members by the names in JSON: AWS's models have one name for all
// protocols, but for EC2's lists, which are in the singular.
func (c *call) fillFields(v reflect.Value, name string) error {
	for i := range v.NumField() {
		member := name // of what is embedded the fields are members
		if field := v.Type().Field(i); !field.Anonymous {
			member = strings.TrimPrefix(name+"."+memberName(field), ".")
		}
		if err := c.fill(v.Field(i), member); err != nil {
			return err
		}
	}
	return nil
}

// fillList numbers from 1 without gaps, as clients do: "Filter.1.Value.2" of EC2,
// "MetricNames.member.1" of CloudWatch.
func (c *call) fillList(v reflect.Value, name string) error {
	if c.service != serviceEC2 {
		name += ".member"
	}
	for i := 1; i <= longestList; i++ {
		at := name + "." + strconv.Itoa(i)
		if !c.has(at) {
			return nil
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if err := c.fill(element, at); err != nil {
			return err
		}
		v.Set(reflect.Append(v, element))
	}
	return fmt.Errorf("%s has more than %d elements", name, longestList)
}

// has reports whether the form has a value of that name, or below it.
func (c *call) has(name string) bool {
	for key := range c.form {
		if key == name || strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// reply makes CloudWatch's XML from the names in JSON, which are the same there; EC2's
// are others, and its answers bring their XML along.
func (queryProtocol) reply(c *call, answer any) (string, []byte, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if c.service == serviceEC2 {
		err := xml.NewEncoder(&b).Encode(answer)
		return xmlContentType, b.Bytes(), err
	}
	namespace := "http://monitoring.amazonaws.com/doc/" + cloudWatchVersion + "/"
	if c.service == serviceSTS {
		namespace = "https://sts.amazonaws.com/doc/" + stsVersion + "/"
	}
	fmt.Fprintf(&b, `<%sResponse xmlns="%s">`, c.operation, namespace)
	if answer != nil {
		element(&b, c.operation+"Result", reflect.ValueOf(answer))
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", c.id, c.operation)
	return xmlContentType, b.Bytes(), nil
}

const xmlContentType = "text/xml"

// element writes a value with the names of its JSON; what is empty is left out.
func element(b *bytes.Buffer, name string, v reflect.Value) {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if !v.IsNil() {
			element(b, name, v.Elem())
		}
		return
	}
	isTime := v.Type() == reflect.TypeFor[instant]()
	if isTime && v.IsZero() || (v.Kind() == reflect.String || v.Kind() == reflect.Map) && v.Len() == 0 {
		return
	}
	fmt.Fprintf(b, "<%s>", name)
	switch {
	case isTime:
		b.WriteString(v.Interface().(instant).UTC().Format("2006-01-02T15:04:05.000Z"))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			element(b, memberName(v.Type().Field(i)), v.Field(i))
		}
	case v.Kind() == reflect.Map: // from texts
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) }) {
			b.WriteString("<entry>")
			element(b, "key", key)
			element(b, "value", v.MapIndex(key))
			b.WriteString("</entry>")
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			element(b, "member", v.Index(i))
		}
	default:
		_ = xml.EscapeText(b, fmt.Append(nil, v.Interface())) // a Buffer takes everything
	}
	fmt.Fprintf(b, "</%s>", name)
}

// fail is an error as the service spells it: EC2 has a list of them in an element of its
// own, and a client that looks for the other's finds none and tells the user "unknown".
func (queryProtocol) fail(c *call, err *Error) (string, []byte) {
	var code, message bytes.Buffer
	_ = xml.EscapeText(&code, []byte(err.Code)) // a Buffer takes everything
	_ = xml.EscapeText(&message, []byte(err.Message))
	if c.service == serviceEC2 {
		return xmlContentType, fmt.Appendf(nil, xml.Header+"<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>",
			code.String(), message.String(), c.id)
	}
	return xmlContentType, fmt.Appendf(nil, xml.Header+"<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
		code.String(), message.String(), c.id)
}
