var React = require("react");

var Winds = React.createClass({
  componentDidMount: function () {
    socket.on("gust", this.show);
  },
  componentWillUnmount: function () {
    socket.removeListener("gust", this.show);
  },
});
